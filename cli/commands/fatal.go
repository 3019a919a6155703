package commands

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
)

// stdinName is what kubectl calls the manifest that it reads from stdin.
const stdinName = "STDIN"

// parsing is how kubectl tells that a manifest cannot be read.
var parsing = regexp.MustCompile(`error parsing ([^:\n]+): `)

// mostManifest is how much of stdin is remembered: more than an API server takes
// at once. What is wrong further on is told as kubectl tells it.
const mostManifest = 4 << 20

// manifests remembers what was read from stdin: to tell exactly what is wrong
// with a manifest it is looked at again.
type manifests struct {
	mu    sync.Mutex
	stdin bytes.Buffer
}

// Write is called with everything that kubectl reads.
func (m *manifests) Write(data []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stdin.Write(data[:min(len(data), mostManifest-m.stdin.Len())])
	return len(data), nil
}

// listen lets a command that reads a manifest from stdin read it through m.
// kubectl reads the process's stdin, whatever streams its commands were made
// with, so that this is where to listen; only in a process that runs one command.
func (m *manifests) listen(cmd *cobra.Command) error {
	flag := cmd.Flags().Lookup("filename")
	if flag == nil {
		return nil
	}
	names, err := cmd.Flags().GetStringSlice("filename")
	if err != nil || !slices.Contains(names, "-") {
		return nil // exec and logs name one file, of another kind
	}
	read, write, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("read standard input: %w", err)
	}
	from := os.Stdin
	os.Stdin = read
	go func() {
		// What fails here ends the manifest early, and is told as its flaw.
		_, _ = io.Copy(io.MultiWriter(m, write), from)
		_ = write.Close()
	}()
	return nil
}

// exactly puts the exact place of a flaw into what kubectl says of a manifest.
func (m *manifests) exactly(text string) string {
	for _, match := range parsing.FindAllStringSubmatch(text, -1) {
		data, err := m.read(match[1])
		if err != nil {
			continue
		}
		said := decodeError(data)
		if f := flawOf(data); f != nil && said != "" {
			text = strings.Replace(text, match[0]+said, match[0]+f.String(), 1)
		}
	}
	return text
}

func (m *manifests) read(name string) ([]byte, error) {
	if name != stdinName {
		return os.ReadFile(name)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return bytes.Clone(m.stdin.Bytes()), nil
}

// decodeError is what kubectl's decoder says of a manifest; "" when it can be
// read.
func decodeError(data []byte) string {
	decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), 4096)
	for {
		var one runtime.RawExtension
		switch err := decoder.Decode(&one); {
		case errors.Is(err, io.EOF):
			return ""
		case err != nil:
			return err.Error()
		}
	}
}

// fatal is how kubectl's commands end when they fail.
func (m *manifests) fatal(text string, code int) {
	if text = once(m.exactly(text)); text != "" {
		fmt.Fprintln(os.Stderr, strings.TrimSuffix(text, "\n"))
	}
	os.Exit(code)
}

// once takes out the "error" that kubectl puts before one that says so itself.
func once(text string) string {
	if rest, ok := strings.CutPrefix(text, "error: error from server"); ok {
		return "Error from server" + rest
	}
	return text
}
