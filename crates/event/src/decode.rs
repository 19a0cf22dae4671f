//! What attackers do to text, undone.
