"""The P4Runtime server of the embedded switch: arbitration, entities, pipeline config and the stream."""
