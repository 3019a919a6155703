package cluster

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"segno/events"
	"segno/events/kinds"
	"segno/proto"
	"segno/reconcilers"
)

// keepLoadBalancerPool writes the pool that was asked for where the cluster keeps
// it, so that it is part of the log. Without a wish it stays as it is.
func (c *Cluster) keepLoadBalancerPool(ctx context.Context) error {
	asked := c.cfg.LoadBalancerPool
	if asked == "" {
		return nil
	}
	key := reconcilers.ConfigMaps.Key(kinds.PoolConfig.Namespace, kinds.PoolConfig.Name)
	config, found, err := events.GetAs[*corev1.ConfigMap](c.View(), key)
	if err != nil {
		return fmt.Errorf("read the load balancer pool: %w", err)
	}
	if found && config.Data[kinds.PoolKey] == asked {
		return nil
	}
	if !found {
		config = &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
	}
	config = events.Copy(config)
	if config.Data == nil {
		config.Data = map[string]string{}
	}
	config.Data[kinds.PoolKey] = asked
	uid := reconcilers.UID("configmap", key.String(), c.View().Seq())
	_, err = c.Submit(ctx, events.Command{
		Actor: proto.SystemActor("loadbalancer"), Via: "bootstrap", Reason: "PoolChosen", Action: events.Update{Key: key, Object: config, CreateUID: uid},
	})
	if err != nil {
		return fmt.Errorf("--load-balancer-pool %s: %w", asked, err)
	}
	return nil
}
