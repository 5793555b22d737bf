"""The addresses of this machine, and QR codes that lead a phone to them."""
