// Package segno_test holds what is true of the repository as a whole.
package segno_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mayImport is the table of folders: each may import itself and what stands
// beside it. A folder with Go code that is not here is a mistake, too.
var mayImport = map[string][]string{
	"proto":       {},
	"events":      {"proto"},
	"bus":         {"proto", "events"},
	"projections": {"proto", "events"},
	"agents":      {"proto", "events"},
	"reconcilers": {"proto", "events", "projections"},
	"cli":         {"proto", "events", "bus", "projections", "agents", "reconcilers"},
}

// soleImporter keeps each large dependency behind one folder, so that it can be
// replaced there. A path stands for everything below it.
var soleImporter = map[string]string{
	"github.com/nats-io":             "bus",
	"github.com/cockroachdb/pebble":  "projections",
	"github.com/moby/moby":           "agents",
	"github.com/docker":              "agents",
	"github.com/cloudflare/ipvs":     "agents",
	"github.com/vishvananda/netlink": "agents",
	"github.com/vishvananda/netns":   "agents",
	"github.com/google/nftables":     "agents",
	"github.com/miekg/dns":           "agents",
}

type goPackage struct {
	ImportPath   string
	GoFiles      []string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

func TestImportRules(t *testing.T) {
	for _, broken := range check(listPackages(t)) {
		t.Error(broken)
	}
	// Also makes the cached result of this test depend on the tree, which it
	// would not by running another program.
	for _, folder := range foldersWithGo(t) {
		if _, ok := mayImport[folder]; !ok {
			t.Errorf("folder %s has Go code, but no place in the table", folder)
		}
	}
}

// check returns a sentence for each rule that the packages break.
func check(packages []goPackage) []string {
	var broken []string
	for _, p := range packages {
		folder := folderOf(p.ImportPath)
		if _, ok := mayImport[folder]; !ok && (folder != "" || len(p.GoFiles) > 0) {
			broken = append(broken, fmt.Sprintf("%s is in folder %q, which is not in the table", p.ImportPath, folder))
			continue
		}
		for _, imported := range p.Imports {
			broken = append(broken, checkImport(p.ImportPath, folder, imported)...)
		}
		// The arrows hold for tests as well, but the tests of the front doors
		// look behind every one of them: at containers, at the bare log.
		if folder == "cli" || folder == "" {
			continue
		}
		for _, imported := range slices.Concat(p.TestImports, p.XTestImports) {
			broken = append(broken, checkImport(p.ImportPath+" (test)", folder, imported)...)
		}
	}
	return broken
}

func checkImport(importer, folder, imported string) []string {
	var broken []string
	if target := folderOf(imported); within(imported, "segno") && target != folder && !slices.Contains(mayImport[folder], target) {
		broken = append(broken, fmt.Sprintf("%s imports %s: %s may import only %v", importer, imported, folder, mayImport[folder]))
	}
	for path, owner := range soleImporter {
		if within(imported, path) && folder != owner {
			broken = append(broken, fmt.Sprintf("%s imports %s, which only %s may", importer, imported, owner))
		}
	}
	return broken
}

func within(path, parent string) bool {
	return path == parent || strings.HasPrefix(path, parent+"/")
}

// folderOf returns the top-level folder of one of our packages, "" for the root.
func folderOf(importPath string) string {
	folder, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(importPath, "segno"), "/"), "/")
	return folder
}

func listPackages(t *testing.T) []goPackage {
	t.Helper()
	// Files behind the tags count: they add files and hide none.
	out, err := exec.CommandContext(t.Context(), "go", "list", "-tags", "host,uml,vm",
		"-json=ImportPath,GoFiles,Imports,TestImports,XTestImports", "./...").Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		t.Fatalf("go list: %v\n%s", err, exit.Stderr)
	} else if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var packages []goPackage
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatalf("read the answer of go list: %v", err)
		}
		packages = append(packages, p)
	}
}

// foldersWithGo also finds what go list leaves out, such as files for another
// operating system.
func foldersWithGo(t *testing.T) []string {
	t.Helper()
	var folders []string
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && path != "." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata") {
			return fs.SkipDir
		}
		if entry.IsDir() && path != "." {
			if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil {
				return fs.SkipDir // a module of its own
			}
		}
		folder, _, below := strings.Cut(path, string(filepath.Separator))
		if below && strings.HasSuffix(path, ".go") && !slices.Contains(folders, folder) {
			folders = append(folders, folder)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("walk the repository: %v", err)
	}
	return folders
}

func TestImportRulesCanFail(t *testing.T) {
	for _, test := range []struct {
		name    string
		pkg     goPackage
		mention string // "" where nothing is wrong
	}{
		{"downwards", goPackage{ImportPath: "segno/bus", Imports: []string{"context", "segno/events", "segno/proto"}}, ""},
		{"to itself", goPackage{ImportPath: "segno/agents/docker", Imports: []string{"segno/agents/runtime"}}, ""},
		{"wiring", goPackage{ImportPath: "segno/cli/cluster", Imports: []string{"segno/bus", "segno/agents/docker"}}, ""},
		{"reading rows", goPackage{ImportPath: "segno/reconcilers/job", Imports: []string{"segno/projections"}}, ""},
		{"upwards", goPackage{ImportPath: "segno/proto", Imports: []string{"segno/events"}}, "segno/proto imports segno/events"},
		{"sideways", goPackage{ImportPath: "segno/bus", Imports: []string{"segno/projections"}}, "bus may import only"},
		{"out of a front door", goPackage{ImportPath: "segno/agents", Imports: []string{"segno/cli/pki"}}, "imports segno/cli/pki"},
		{"the root", goPackage{ImportPath: "segno/agents", Imports: []string{"segno"}}, "imports segno:"},
		{"in a test", goPackage{ImportPath: "segno/events", TestImports: []string{"segno/bus"}}, "segno/events (test) imports segno/bus"},
		{"in an outer test", goPackage{ImportPath: "segno/events", XTestImports: []string{"segno/bus"}}, "segno/events (test)"},
		{"unknown folder", goPackage{ImportPath: "segno/util/strings", GoFiles: []string{"s.go"}}, `folder "util"`},
		{"code at the root", goPackage{ImportPath: "segno", GoFiles: []string{"main.go"}}, `folder ""`},
		{"tests at the root", goPackage{ImportPath: "segno", XTestImports: []string{"testing"}}, ""},
		{"NATS in its place", goPackage{ImportPath: "segno/bus", Imports: []string{"github.com/nats-io/nats.go"}}, ""},
		{"a second NATS", goPackage{ImportPath: "segno/cli/up", Imports: []string{"github.com/nats-io/nkeys"}}, "only bus may"},
		{"a second Pebble", goPackage{ImportPath: "segno/agents", Imports: []string{"github.com/cockroachdb/pebble/v2/vfs"}}, "only projections may"},
		{"a second moby", goPackage{ImportPath: "segno/cli", Imports: []string{"github.com/moby/moby/client"}}, "only agents may"},
		{"a second ipvs", goPackage{ImportPath: "segno/reconcilers", Imports: []string{"github.com/cloudflare/ipvs"}}, "only agents may"},
		{"a second netlink", goPackage{ImportPath: "segno/bus", Imports: []string{"github.com/vishvananda/netlink/nl"}}, "only agents may"},
		{"a second nftables", goPackage{ImportPath: "segno/bus", Imports: []string{"github.com/google/nftables"}}, "only agents may"},
		{"a second DNS", goPackage{ImportPath: "segno/cli", Imports: []string{"github.com/miekg/dns"}}, "only agents may"},
		{"only the same letters", goPackage{ImportPath: "segno/bus", Imports: []string{"github.com/nats-iota/x", "segnorina/cli"}}, ""},
		{"looking behind the door", goPackage{ImportPath: "segno/cli/cluster", XTestImports: []string{"github.com/moby/moby/client"}}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			broken := check([]goPackage{test.pkg})
			switch {
			case test.mention == "" && len(broken) > 0:
				t.Errorf("check found %q, want nothing", broken)
			case test.mention != "" && (len(broken) != 1 || !strings.Contains(broken[0], test.mention)):
				t.Errorf("check found %q, want one sentence with %q", broken, test.mention)
			}
		})
	}
}
