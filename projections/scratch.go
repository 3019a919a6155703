package projections

import "fmt"

// openScratch makes an empty projection beside this one.
func (p *Projection) openScratch() (scratch *Projection, remove func(), err error) {
	cfg := Config{Table: p.table, Log: p.cfg.Log, Redacted: p.cfg.Redacted, Brief: true, scratch: true}
	if p.cfg.Dir != "" {
		cfg.Dir, cfg.FS = p.cfg.Dir+".verify", p.cfg.FS
		if err := cfg.FS.RemoveAll(cfg.Dir); err != nil {
			return nil, nil, fmt.Errorf("remove %s: %w", cfg.Dir, err)
		}
	}
	scratch, err = Open(cfg)
	if err != nil {
		return nil, nil, err
	}
	return scratch, func() {
		_ = scratch.Close() // nothing in it is wanted any more
		if cfg.Dir != "" {
			_ = cfg.FS.RemoveAll(cfg.Dir) // the next Verify removes what is left
		}
	}, nil
}
