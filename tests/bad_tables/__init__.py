"""Tables as nobody wants them: what rfconv says of each, and which it reads all the same."""
