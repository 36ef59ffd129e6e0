"""What only teaching needs: checks that print their number."""
