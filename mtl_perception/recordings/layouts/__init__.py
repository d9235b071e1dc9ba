"""Data sets as their makers pack them: one file a layout, the catalogue of them all."""
