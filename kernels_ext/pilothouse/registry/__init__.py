"""What any process of the user can know of pilots and runs without asking anybody."""
