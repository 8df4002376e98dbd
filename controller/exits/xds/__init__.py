"""Discovery (xDS): clients of gRPC and Envoys learn servers, weights and routes, and go there by themselves."""
