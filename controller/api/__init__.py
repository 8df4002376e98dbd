"""The gRPC API: descriptions (``proto``), what is made of them (``v1``), and the server."""
