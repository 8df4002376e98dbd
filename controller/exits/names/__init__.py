"""Names: answers to DNS questions that follow the plan. Rules, what serves them, and engines."""
