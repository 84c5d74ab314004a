"""The contract of graped: types, client, and the HTTP server that speaks them."""
