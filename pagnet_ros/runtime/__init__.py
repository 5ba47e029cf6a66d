"""Where a network runs: engine, devices, streams, CUDA graphs, native CPU kernels, ONNX."""
