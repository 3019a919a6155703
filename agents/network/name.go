package network

import (
	"crypto/sha256"
	"encoding/hex"
	"net"
)

const (
	defaultName = "sg0"
	longestName = 15
	cablePrefix = "sgv"

	bridgePrefix = "sg-"
	bridgeDigits = 10
)

// NameFor is a bridge name of a node's own: nodes of two clusters may have one name.
func NameFor(cluster, node string) string {
	return bridgePrefix + digest(cluster+"/"+node, bridgeDigits)
}

// hardwareOfBridge is a locally administered address, and the same for a bridge that
// is made anew. Without one of its own a bridge has the least of its links', and
// with each pod that came or went, the others could for seconds not reach their
// gateway where they knew it.
func hardwareOfBridge(name string) net.HardwareAddr {
	sum := sha256.Sum256([]byte(name))
	return append(net.HardwareAddr{0x0a}, sum[:5]...)
}

// cableName is the host's end of a pod's link: a restarted agent finds it.
func cableName(uid string) string { return cablePrefix + digest(uid, 12) }

func digest(text string, length int) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])[:length]
}
