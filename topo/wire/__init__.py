"""What is said on a lab's wires about who has a VIP: recorded at the edges, and judged."""
