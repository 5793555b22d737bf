"""The wiring of one configuration as a drawing, as text and as a page. Pure: it reads no file and opens no pin."""
