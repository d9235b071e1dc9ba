"""An annotated picture, and the files that its parts are read from."""
