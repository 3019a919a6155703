//go:build vm

package nftables

import (
	"testing"

	"segno/agents/proxy/proxytest"
)

// TestS3NftablesCarriesSCTP in a kernel that has SCTP.
func TestS3NftablesCarriesSCTP(t *testing.T) { proxytest.Run(t, harness, "TestS3SCTP") }
