"""A packed model as ONNX graphs and one JSON file, for programs without torch (`ellav export`, docs/export.md)."""
