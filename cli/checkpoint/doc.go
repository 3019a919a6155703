// Package checkpoint signs what a log is at a sequence, so that an outsider can
// check it with a public key alone.
//
// What comes in: a sequence with its hashes, and a key. What goes out: a signed
// note in the C2SP checkpoint format (origin, size, hash, and lines of our own),
// and what a note states, once its signature is proved.
//
// What never happens here: a log is read, or compared with a checkpoint: that is
// `segno verify`'s.
//
// Start with checkpoint.go; key.go is the key on disk, kept.go the checkpoints
// that a cluster has kept.
package checkpoint
