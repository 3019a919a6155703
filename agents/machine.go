package agents

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Machine is the hardware and system under a node.
type Machine interface {
	// Describe answers what does not change while the agent runs.
	Describe() (corev1.NodeSystemInfo, corev1.ResourceList)
	// Pressure answers what the machine runs out of.
	Pressure() (Pressure, error)
}

// Pressure says what a machine has too little of.
type Pressure struct{ Memory, Disk, PID bool }

const mostPods = 110

// facts are what is known about machine and engine.
type facts struct {
	machine   Machine
	simulated bool
	system    corev1.NodeSystemInfo
	capacity  corev1.ResourceList
	engine    error // why the engine did not answer at first
}

// readFacts also names the container engine, if it answers at this moment.
func readFacts(cfg *Config) facts {
	const patience = 5 * time.Second // it may hang; its return is noticed later
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	info, err := cfg.Runtime.Info(ctx)
	f := facts{machine: cfg.Machine, simulated: info.Simulated, engine: err}
	switch {
	case f.machine == nil && info.Simulated:
		f.machine = SimulatedMachine{}
	case f.machine == nil:
		f.machine = ThisMachine{Dir: cfg.StateDir}
	}
	f.system, f.capacity = f.machine.Describe()
	f.system.KubeletVersion = cfg.Version
	f.system.ContainerRuntimeVersion = info.Version
	if err != nil {
		f.system.ContainerRuntimeVersion = "unknown"
	}
	for name, quantity := range cfg.Capacity {
		f.capacity[name] = quantity
	}
	return f
}

// SimulatedMachine is a made-up one that says so.
type SimulatedMachine struct{}

// Describe answers a large machine.
func (SimulatedMachine) Describe() (corev1.NodeSystemInfo, corev1.ResourceList) {
	return corev1.NodeSystemInfo{
			KernelVersion: "simulated", OSImage: "simulated (nothing runs here)",
			OperatingSystem: "linux", Architecture: goruntime.GOARCH,
		}, corev1.ResourceList{
			corev1.ResourceCPU:              resource.MustParse("16"),
			corev1.ResourceMemory:           resource.MustParse("64Gi"),
			corev1.ResourceEphemeralStorage: resource.MustParse("200Gi"),
			corev1.ResourcePods:             *resource.NewQuantity(mostPods, resource.DecimalSI),
		}
}

// Pressure never is.
func (SimulatedMachine) Pressure() (Pressure, error) { return Pressure{}, nil }

// ThisMachine is the one the agent runs on; Dir is on the disk that counts.
type ThisMachine struct{ Dir string }

// Describe reads the kernel's own files. What cannot be read is left out.
func (m ThisMachine) Describe() (corev1.NodeSystemInfo, corev1.ResourceList) {
	memory, _, _ := meminfo()
	disk, _, _ := m.disk()
	return corev1.NodeSystemInfo{
			MachineID: firstLine("/etc/machine-id"), SystemUUID: firstLine("/sys/class/dmi/id/product_uuid"),
			BootID: firstLine("/proc/sys/kernel/random/boot_id"), KernelVersion: firstLine("/proc/sys/kernel/osrelease"),
			OSImage: osImage(), OperatingSystem: goruntime.GOOS, Architecture: goruntime.GOARCH,
		}, corev1.ResourceList{
			corev1.ResourceCPU:              *resource.NewQuantity(int64(goruntime.NumCPU()), resource.DecimalSI),
			corev1.ResourceMemory:           *resource.NewQuantity(memory, resource.BinarySI),
			corev1.ResourceEphemeralStorage: *resource.NewQuantity(disk, resource.BinarySI),
			corev1.ResourcePods:             *resource.NewQuantity(mostPods, resource.DecimalSI),
		}
}

// Pressure holds what is left against fixed bounds: 100 MiB of memory, 5 % of
// the disk, 5 % of the process ids.
func (m ThisMachine) Pressure() (Pressure, error) {
	_, available, err := meminfo()
	if err != nil {
		return Pressure{}, err
	}
	disk, free, err := m.disk()
	if err != nil {
		return Pressure{}, err
	}
	running, most := processes()
	return Pressure{Memory: available < 100<<20, Disk: free < disk/20, PID: most > 0 && running > most-most/20}, nil
}

func (m ThisMachine) disk() (total, free int64, err error) {
	dir := m.Dir
	if dir == "" {
		dir = "/"
	}
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err != nil {
		return 0, 0, fmt.Errorf("size of the disk under %s: %w", filepath.Clean(dir), err)
	}
	return int64(stat.Blocks) * stat.Bsize, int64(stat.Bavail) * stat.Bsize, nil
}

// meminfo answers bytes.
func meminfo() (total, available int64, err error) {
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, 0, fmt.Errorf("size of the memory: %w", err)
	}
	for line := range strings.Lines(string(data)) {
		name, rest, _ := strings.Cut(line, ":")
		fields := strings.Fields(rest)
		if len(fields) == 0 {
			continue
		}
		kib, _ := strconv.ParseInt(fields[0], 10, 64)
		switch name {
		case "MemTotal":
			total = kib << 10
		case "MemAvailable":
			available = kib << 10
		}
	}
	return total, available, nil
}

// processes answers the running ones (threads included) and the kernel's most.
func processes() (running, most int64) {
	fields := strings.Fields(firstLine("/proc/loadavg"))
	if len(fields) > 3 {
		_, all, _ := strings.Cut(fields[3], "/")
		running, _ = strconv.ParseInt(all, 10, 64)
	}
	most, _ = strconv.ParseInt(firstLine("/proc/sys/kernel/pid_max"), 10, 64)
	return running, most
}

func osImage() string {
	data, _ := os.ReadFile("/etc/os-release")
	for line := range strings.Lines(string(data)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); ok {
			return strings.Trim(value, `"`)
		}
	}
	return goruntime.GOOS
}

func firstLine(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(data), "\n")
	return strings.TrimSpace(line)
}
