"""The program's version, written into pictures and shown at the foot of the page."""

VERSION = "0.1.0"
