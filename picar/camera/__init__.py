"""The camera: its process, its sources of pictures, and the server's end of it. It never drives."""
