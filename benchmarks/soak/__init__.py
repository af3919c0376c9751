"""Minutes of mixed load and trouble, and then: nothing leaked, and everything adds up."""
