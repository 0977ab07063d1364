// Reads Kubernetes resources strictly, as the API server does: a field that the resource's Go type does not have is an error. With a
// Helm chart, its values are checked by the chart's own schema and its templates are filled in first, as `helm template` does.
//
//	kubernetes-check FILE…
//	kubernetes-check --chart FOLDER --release NAME [--namespace NAMESPACE] VALUES…
//
// Prints the resources as a JSON list, defaults of the types included.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	certmanager "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"
)

var kinds = map[string]func() any{
	"apps/v1/DaemonSet":                      func() any { return &apps.DaemonSet{} },
	"apps/v1/StatefulSet":                    func() any { return &apps.StatefulSet{} },
	"autoscaling/v2/HorizontalPodAutoscaler": func() any { return &autoscaling.HorizontalPodAutoscaler{} },
	"cert-manager.io/v1/Certificate":         func() any { return &certmanager.Certificate{} },
	"cert-manager.io/v1/Issuer":              func() any { return &certmanager.Issuer{} },
	"policy/v1/PodDisruptionBudget":          func() any { return &policy.PodDisruptionBudget{} },
	"v1/ConfigMap":                           func() any { return &core.ConfigMap{} },
	"v1/Pod":                                 func() any { return &core.Pod{} },
	"v1/PersistentVolumeClaim":               func() any { return &core.PersistentVolumeClaim{} },
	"v1/Service":                             func() any { return &core.Service{} },
	"v1/ServiceAccount":                      func() any { return &core.ServiceAccount{} },
}

var between = regexp.MustCompile(`(?m)^---\s*$`)

// read decodes every resource of a text.
func read(name, text string) ([]any, error) {
	var found []any
	for _, document := range between.Split(text, -1) {
		var head struct{ APIVersion, Kind string }
		if err := yaml.Unmarshal([]byte(document), &head); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if head.Kind == "" {
			continue // nothing but comments
		}
		kind, known := kinds[head.APIVersion+"/"+head.Kind]
		if !known {
			return nil, fmt.Errorf("%s: no %s of %s is expected; known: %s", name, head.Kind, head.APIVersion,
				strings.Join(slices.Sorted(maps.Keys(kinds)), ", "))
		}
		resource := kind()
		if err := yaml.UnmarshalStrict([]byte(document), resource); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", name, head.Kind, err)
		}
		found = append(found, resource)
	}
	return found, nil
}

// render fills in a chart's templates with the values files, a later one over an earlier one.
func render(folder, release, namespace string, files []string) (map[string]string, error) {
	chart, err := loader.Load(folder)
	if err != nil {
		return nil, err
	}
	values := map[string]any{}
	for _, file := range files {
		more, err := chartutil.ReadValuesFile(file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		values = chartutil.CoalesceTables(more.AsMap(), values)
	}
	options := chartutil.ReleaseOptions{Name: release, Namespace: namespace, IsInstall: true}
	cluster := chartutil.DefaultCapabilities.Copy()
	cluster.KubeVersion = chartutil.KubeVersion{Version: "v1.33.0", Major: "1", Minor: "33"}
	for kind := range kinds {
		cluster.APIVersions = append(cluster.APIVersions, kind, kind[:strings.LastIndex(kind, "/")])
	}
	all, err := chartutil.ToRenderValues(chart, values, options, cluster)
	if err != nil {
		return nil, err
	}
	return engine.Render(chart, all)
}

func run() error {
	chart := flag.String("chart", "", "the chart's folder")
	release := flag.String("release", "", "the release's name")
	namespace := flag.String("namespace", "observability", "the release's namespace")
	flag.Parse()
	texts := map[string]string{}
	if *chart == "" {
		for _, file := range flag.Args() {
			text, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			texts[file] = string(text)
		}
	} else {
		rendered, err := render(*chart, *release, *namespace, flag.Args())
		if err != nil {
			return err
		}
		for name, text := range rendered {
			if ending := filepath.Ext(name); ending == ".yaml" {
				texts[name] = text
			}
		}
	}
	found := []any{}
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		resources, err := read(name, texts[name])
		if err != nil {
			return err
		}
		found = append(found, resources...)
	}
	return json.NewEncoder(os.Stdout).Encode(found)
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
