"""What a video, a clip and a manifest are, and their pixels."""
