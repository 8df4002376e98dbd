"""The P4Runtime driver, on finsy's messages and grpc."""
