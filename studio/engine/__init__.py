"""What runs inside a PaddlePaddle process (`python -m studio.engine.<name>`); imported by nobody."""
