"""reaching/: the flow to a target, and the answers that go back."""
