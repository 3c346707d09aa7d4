"""What a batch takes when its connection to Momento has died."""
