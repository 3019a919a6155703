package contexts

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
)

// SeedFile is where a cluster keeps the credential of the person who owns it.
func SeedFile(dataDir string) string { return filepath.Join(dataDir, "pki", "admin.json") }

// seedHash tells seeds apart and gives none away: they are long and random.
func seedHash(seed string) string {
	sum := sha256.Sum256([]byte(seed))
	return hex.EncodeToString(sum[:])
}

// seed reads the seed from its file; "" when this is not the machine, or not the
// user, that has it. Nothing is wrong then: there is HTTPS.
func (u userExtension) seed() string {
	data, err := os.ReadFile(u.SeedFile)
	if err != nil {
		return ""
	}
	var kept struct {
		Seed string `json:"seed"`
	}
	if json.Unmarshal(data, &kept) != nil || kept.Seed == "" || seedHash(kept.Seed) != u.SeedHash {
		return ""
	}
	return kept.Seed
}
