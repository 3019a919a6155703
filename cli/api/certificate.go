package api

import "net/http"

// ByCertificate answers requests over TLS: the user is the common name of the
// client's verified certificate, the groups its organizations.
func ByCertificate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.VerifiedChains) > 0 {
			subject := r.TLS.VerifiedChains[0][0].Subject
			r = r.WithContext(WithUser(r.Context(), User{Name: subject.CommonName, Groups: subject.Organization}))
		}
		next.ServeHTTP(w, r)
	})
}
