"""What differs between the kinds of pictures: how the latents start. One file each, matched on the request's source."""
