package nftables

import "fmt"

// kernel is what the tables hold.
type kernel struct {
	elements elements
	verdicts [2][]verdict
	chains   [2][]string
	foreign  [2]bool // a table of another layout
}

// verdict is an element that leads to a chain.
type verdict struct {
	in  string // the map
	key []byte
}

// read asks the kernel for all that the tables hold.
func (p *Plane) read() (*kernel, error) {
	k := &kernel{elements: elements{}}
	for i := range p.layouts {
		if err := p.readFamily(i, k); err != nil {
			return nil, fmt.Errorf("read table %s: %w", p.cfg.Table, err)
		}
	}
	return k, nil
}

func (p *Plane) readFamily(family int, into *kernel) error {
	l := &p.layouts[family]
	tables, err := p.conn.ListTablesOfFamily(l.table.Family)
	if err != nil {
		return err
	}
	there := false
	for _, t := range tables {
		there = there || t.Name == l.table.Name
	}
	if !there {
		return nil
	}
	chains, err := p.conn.ListChainsOfTableFamily(l.table.Family)
	if err != nil {
		return err
	}
	into.foreign[family] = true
	for _, c := range chains {
		if c.Table.Name != l.table.Name {
			continue
		}
		into.chains[family] = append(into.chains[family], c.Name)
		if c.Name == layoutMark {
			into.foreign[family] = false
		}
	}
	if into.foreign[family] {
		return nil
	}
	for s := range sets {
		all, err := p.conn.GetSetElements(l.sets[s.String()])
		if err != nil {
			return fmt.Errorf("set %s: %w", s, err)
		}
		for _, e := range all {
			into.elements[element{uint8(family), s, string(e.Key)}] = string(e.Val)
		}
	}
	return p.readVerdicts(family, into)
}

func (p *Plane) readVerdicts(family int, into *kernel) error {
	for _, name := range []string{setLimits, setSticky, setStickyInner} {
		all, err := p.conn.GetSetElements(p.layouts[family].sets[name])
		if err != nil {
			return fmt.Errorf("map %s: %w", name, err)
		}
		for _, e := range all {
			into.verdicts[family] = append(into.verdicts[family], verdict{name, e.Key})
		}
	}
	return nil
}
