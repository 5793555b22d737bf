"""The wiring of one configuration as a drawing, as text and as a page.

Pure: from a configuration to strings. Reads no file, opens no pin and imports no library.
"""
