// Package deploy checks the files of this folder with the tools that read them: the
// loader of Docker Compose, kustomize, and Kubernetes's own types. What can be started
// is started by internal/testing/deploy.
package deploy

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// A service has no more rights than it needs, and only what is meant is reachable from
// other machines.
func TestCompose(t *testing.T) {
	for file, test := range map[string]struct{ services, published []string }{
		"compose/sqlite.yaml": {[]string{"addcard"}, nil},
		"compose/replicas.yaml": {
			[]string{"addcard-1", "addcard-2", "nginx", "postgres", "redis"},
			[]string{"nginx:443", "nginx:80"},
		},
	} {
		t.Run(file, func(t *testing.T) {
			options, err := cli.NewProjectOptions([]string{file},
				cli.WithEnv([]string{"MINIPROGRAM_APP_ID=wx1", "OFFICIAL_APP_ID=wx2"}),
				cli.WithoutEnvironmentResolution) // .env is of a deployment
			if err != nil {
				t.Fatal(err)
			}
			project, err := options.LoadProject(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var published []string
			for name, s := range project.Services {
				for _, p := range s.Ports {
					if p.HostIP != "127.0.0.1" {
						published = append(published, name+":"+p.Published)
					}
				}
				if !strings.HasPrefix(name, "addcard") {
					continue
				}
				if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) {
					t.Errorf("%s: read_only %v, cap_drop %v", name, s.ReadOnly, s.CapDrop)
				}
			}
			slices.Sort(published)
			if got := slices.Sorted(maps.Keys(project.Services)); !slices.Equal(got, test.services) {
				t.Errorf("services %v, want %v", got, test.services)
			}
			if !slices.Equal(published, test.published) {
				t.Errorf("other machines reach %v, want %v", published, test.published)
			}
		})
	}
}

// kinds makes an empty object of each kind in kubernetes/.
var kinds = map[string]func() any{
	"Namespace":           func() any { return &core.Namespace{} },
	"ConfigMap":           func() any { return &core.ConfigMap{} },
	"Service":             func() any { return &core.Service{} },
	"Deployment":          func() any { return &apps.Deployment{} },
	"PodDisruptionBudget": func() any { return &policy.PodDisruptionBudget{} },
	"NetworkPolicy":       func() any { return &networking.NetworkPolicy{} },
	"Ingress":             func() any { return &networking.Ingress{} },
}

// Each object has only fields that Kubernetes knows, of the right types.
func TestKubernetes(t *testing.T) {
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), "kubernetes")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]any{}
	for _, r := range resources.Resources() {
		text, err := r.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		empty, known := kinds[r.GetKind()]
		if !known {
			t.Errorf("%s: the kind is not in kinds", r.CurId())
			continue
		}
		object := empty()
		if err := yaml.UnmarshalStrict(text, object); err != nil {
			t.Errorf("%s: %v", r.CurId(), err)
		}
		seen[r.GetKind()] = object
	}
	if len(seen) != len(kinds) {
		t.Fatalf("found %v, want all of kinds", slices.Sorted(maps.Keys(seen)))
	}
	pod := seen["Deployment"].(*apps.Deployment).Spec.Template.Spec
	c := pod.Containers[0]
	for name, probe := range map[string]*core.Probe{"startup": c.StartupProbe, "readiness": c.ReadinessProbe, "liveness": c.LivenessProbe} {
		if probe == nil || !slices.ContainsFunc(c.Ports, func(p core.ContainerPort) bool { return p.Name == probe.HTTPGet.Port.StrVal }) {
			t.Errorf("the %s probe %v asks no port of the container", name, probe)
		}
	}
	if c.LivenessProbe.HTTPGet.Path == c.ReadinessProbe.HTTPGet.Path {
		t.Error("a database that is away would restart the replicas")
	}
	dropped := c.SecurityContext.Capabilities.Drop
	if s := c.SecurityContext; !*s.ReadOnlyRootFilesystem || *s.AllowPrivilegeEscalation || !slices.Equal(dropped, []core.Capability{"ALL"}) ||
		!*pod.SecurityContext.RunAsNonRoot || pod.SecurityContext.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault {
		t.Error("the container is not as restricted as Kubernetes's profile \"restricted\" and a read-only root")
	}
}
