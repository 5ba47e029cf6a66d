"""The node: topics in, the pipeline, topics out."""
