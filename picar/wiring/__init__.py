"""The wiring of one configuration, as a picture, as text and as a table.

Pure: from a configuration to strings. It reads no file, opens no pin and knows no library.
"""
