"""The joint network: tensors only."""
