package kinds

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"segno/events"
	"segno/proto"
)

func serviceAccountKind() *events.Kind {
	return &events.Kind{
		GVK:        corev1.SchemeGroupVersion.WithKind("ServiceAccount"),
		Resource:   resourceOf(corev1.SchemeGroupVersion, "serviceaccounts"),
		Singular:   "serviceaccount",
		ShortNames: []string{"sa"},
		Namespaced: true,
		Stream:     proto.StreamEvents,

		New:     func() events.Object { return &corev1.ServiceAccount{} },
		NewList: func() runtime.Object { return &corev1.ServiceAccountList{} },

		Name:    apivalidation.NameIsDNSSubdomain,
		Columns: []metav1.TableColumnDefinition{nameColumn, text("Secrets", corev1.ServiceAccount{}.SwaggerDoc()["secrets"]), ageColumn},
		Row: row(func(account *corev1.ServiceAccount, now time.Time) []any {
			return []any{account.Name, int64(len(account.Secrets)), age(account.CreationTimestamp, now)}
		}),
	}
}
