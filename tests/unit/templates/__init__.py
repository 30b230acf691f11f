"""What we say: templates of marketers, and the catalogue of the product's own texts."""
