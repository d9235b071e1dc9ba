"""How the node fares: measured, judged in words, published each second."""
