"""Programs that stand beside the node: a probe that measures it, a viewer of its topics."""
