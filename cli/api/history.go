package api

const historyGroup = "history.segno"

// History is filled below.
type History interface{}

func (c *call) serveHistory() error { return notServed() }
