package redisstore_test

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/addcard/addcard/internal/testing/process"
	redistest "github.com/addcard/addcard/internal/testing/redis"
	"github.com/addcard/addcard/internal/ticket"
	"github.com/addcard/addcard/internal/ticket/redisstore"
)

// URLs have the same meaning as in go-redis.
func TestOpen_ReadsURLsAsGoRedisDoes(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"redis://redis.internal:6380",
		"redis://redis.internal",
		"redis://:pass%40word@redis.internal:6379/3",
		"redis://shop:secret@redis.internal:6379/0",
		"rediss://shop:secret@redis.internal:6380/1",
		"redis://[::1]:6379",
		"redis://[::1]",
	} {
		got := open(t, url).(*redis.Client).Options()
		want, err := redis.ParseURL(url)
		if err != nil {
			t.Fatal(err)
		}
		if got.Addr != want.Addr || got.Username != want.Username || got.Password != want.Password || got.DB != want.DB {
			t.Errorf("%s: %+v, want %+v", url, got, want)
		}
		if (got.TLSConfig == nil) != (want.TLSConfig == nil) || got.TLSConfig != nil && got.TLSConfig.ServerName != want.TLSConfig.ServerName {
			t.Errorf("%s: TLS %+v, want %+v", url, got.TLSConfig, want.TLSConfig)
		}
		if !got.ContextTimeoutEnabled || got.MaxRetries != 0 || got.ReadTimeout != 300*time.Millisecond ||
			got.DialTimeout != 500*time.Millisecond ||
			got.Protocol != 2 {
			t.Errorf("%s: settings %+v", url, got)
		}
	}
}

func TestOpen_Cluster(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"redis://shop:secret@n1.internal:7000?addr=n2.internal:7001&addr=[::1]:7002",
		"rediss://:secret@n1.internal:7000?addr=n2.internal:7001",
	} {
		got := open(t, url).(*redis.ClusterClient).Options()
		want, err := redis.ParseClusterURL(url)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Addrs, want.Addrs) || got.Username != want.Username || got.Password != want.Password ||
			(got.TLSConfig == nil) != (want.TLSConfig == nil) {
			t.Errorf("%s: %+v, want %+v", url, got, want)
		}
	}
	one, ok := open(t, "redis://entry.internal:6379?cluster=true").(*redis.ClusterClient)
	if !ok || !slices.Equal(one.Options().Addrs, []string{"entry.internal:6379"}) {
		t.Errorf("cluster=true with one address: %v", one)
	}
}

var bad = map[string]string{
	"":                                     "must begin",
	"hunter2":                              "must begin",
	"redis:hunter2":                        "is not a URL",
	"http://hunter2:6379":                  "must begin",
	"unix:///run/hunter2.sock":             "must begin",
	"redis+sentinel://hunter2:26379":       "must begin",
	"redis://":                             "names no host",
	"redis://:hunter2@":                    "names no host",
	"redis://:hunter2@:6379":               "names no host",
	"redis://:hun/ter2@h:6379":             "is not a URL",
	"redis://:hun#ter2@h:6379":             "is not a URL",
	"redis://:hun%zzter2@h:6379":           "is not a URL",
	"redis://h:hunter2":                    "is not a URL",
	"redis://hunter2:1,h:2":                "not one host:port",
	"redis://hunter2,h:2":                  "not one host:port",
	"redis://hunter2,h":                    "not one host:port",
	"redis://hunter2:65536":                "not one host:port",
	"redis://h/1#hunter2":                  "is not a URL",
	"redis://h/hunter2":                    "number of a database",
	"redis://h/-1":                         "number of a database",
	"redis://h/1/2":                        "number of a database",
	"redis://h?hunter2=1":                  "unknown parameter",
	"redis://h?read_timeout=hunter2":       "unknown parameter",
	"redis://h?max_retries=3":              "unknown parameter",
	"redis://h?skip_verify=true":           "unknown parameter",
	"redis://h?a=%hunter2":                 "name=value",
	"redis://h?addr=hunter2":               "not one host:port",
	"redis://h?addr=:6379":                 "not one host:port",
	"redis://h?addr=hunter2:0":             "not one host:port",
	"redis://h?addr=hunter2:x":             "not one host:port",
	"redis://h?cluster=hunter2":            "cluster=true",
	"redis://h?cluster=true&cluster=1":     "twice",
	"redis://h/1?cluster=true":             "Cluster has only",
	"redis://h/1?addr=g:6379":              "Cluster has only",
	"redis://h?master_name=":               "empty master_name",
	"redis://h?master_name=&addr=g:1":      "empty master_name",
	"redis://h?master_name=m&cluster=true": "both",
	"redis://h?password=hunter2":           "only with master_name",
	"redis://h?username=hunter2&addr=g:1":  "only with master_name",
}

func TestCheckURL_SaysWhatIsWrongAndNothingOfTheURL(t *testing.T) {
	t.Parallel()
	for url, want := range bad {
		err := redisstore.CheckURL(url)
		if !errors.Is(err, redisstore.ErrURL) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("CheckURL(%q) = %v, want %q", url, err, want)
		}
		if client, err := redisstore.Open(url); !errors.Is(err, redisstore.ErrURL) || client != nil {
			t.Errorf("Open(%q) = %v, %v", url, client, err)
		}
	}
}

func FuzzCheckURL(f *testing.F) {
	for url := range bad {
		f.Add(url)
	}
	f.Add("rediss://shop:secret@h:6379/1?master_name=m&addr=g:1&username=u&password=p")
	f.Fuzz(func(t *testing.T, url string) {
		err := redisstore.CheckURL(url)
		client, openErr := redisstore.Open(url)
		if (err == nil) != (openErr == nil) || (client == nil) != (err != nil) {
			t.Fatalf("CheckURL(%q) = %v, Open: %v, %v", url, err, client, openErr)
		}
		if client != nil {
			_ = client.Close()
		}
	})
}

// restrictUser creates a user with only the permissions that a Store needs.
func restrictUser(s *redistest.Server) {
	s.Do("ACL", "SETUSER", "shop", "on", ">hunter2", "~addcard:*", "-@all",
		"+eval", "+time", "+type", "+hmget", "+hset", "+del", "+pexpire", "+select", "+cluster|slots")
}

// renew uses every method of a Store.
func renew(t *testing.T, s *redisstore.Store) {
	t.Helper()
	lease := acquire(t, s, "a")
	save(t, s, lease, "value")
	for name, call := range methods(patient{s}, lease) {
		if err := call(t.Context()); err != nil && name != "Save" { // Release may have been called before it
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOpen_UserPasswordDatabase(t *testing.T) {
	t.Parallel()
	s := redistest.Single(t)
	restrictUser(s)
	url := strings.Replace(s.URL(), "redis://", "redis://shop:hunter2@", 1) + "/3"
	renew(t, connect(t, url))
	if info := fmt.Sprint(s.Do("INFO", "keyspace")); !strings.Contains(info, "db3:keys=1") {
		t.Errorf("the ticket is not in database 3: %s", info)
	}
	wrong := connect(t, strings.Replace(url, "hunter2", "hunter3", 1))
	if err := loadError(t, wrong); err == nil || !strings.Contains(err.Error(), "WRONGPASS") || strings.Contains(err.Error(), "hunter") {
		t.Errorf("wrong password: %v", err)
	}
}

func TestOpen_ClusterPassword(t *testing.T) {
	t.Parallel()
	n := redistest.Cluster(t)
	for _, s := range n.Servers {
		restrictUser(s)
	}
	renew(t, connect(t, strings.Replace(n.URL(), "redis://", "redis://shop:hunter2@", 1)))
}

// With Sentinel, the user before the host is for the Sentinels and the
// parameters are for the servers.
func TestOpen_SentinelPasswords(t *testing.T) {
	t.Parallel()
	f := redistest.Sentinel(t)
	for _, s := range f.Servers {
		restrictUser(s)
	}
	for _, s := range f.Sentinels {
		s.Do("ACL", "SETUSER", "finder", "on", ">lookout", "&*", "+@all")
	}
	url := strings.Replace(f.URL(), "redis://", "redis://finder:lookout@", 1)
	good := url + "&username=shop&password=hunter2"
	renew(t, connect(t, good))
	for _, wrong := range []string{url + "&username=shop&password=hunter3", strings.Replace(good, "lookout", "lookaway", 1)} {
		if _, err := connect(
			t,
			wrong,
		).Load(
			t.Context(),
			"wx:app:k",
		); err == nil || errors.Is(err, ticket.ErrNotFound) || strings.Contains(err.Error(), "hunter") ||
			strings.Contains(err.Error(), "lookaway") {
			t.Errorf("wrong password: %v", err)
		}
	}
}

// loadError returns the error of a Load.
func loadError(t *testing.T, s *redisstore.Store) error {
	t.Helper()
	_, err := patient{s}.Load(t.Context(), "wx:app:k")
	return err
}

func TestOpen_TLS(t *testing.T) {
	t.Parallel()
	pem := os.Getenv("SSL_CERT_FILE") // see TestMain
	addr := process.FreeAddr(t)
	_, port, _ := net.SplitHostPort(addr)
	redistest.Single(
		t,
		"--tls-port",
		port,
		"--tls-cert-file",
		pem,
		"--tls-key-file",
		pem,
		"--tls-ca-cert-file",
		pem,
		"--tls-auth-clients",
		"no",
	)

	if err := loadError(t, connect(t, "rediss://localhost:"+port)); !errors.Is(err, ticket.ErrNotFound) {
		t.Errorf("Load over TLS: %v", err)
	}
	err := loadError(t, connect(t, "rediss://"+addr))
	if _, ok := errors.AsType[x509.HostnameError](err); !ok {
		t.Errorf("a certificate of another name: %v", err)
	}
	if _, err := connect(t, "redis://"+addr).Load(t.Context(), "k"); err == nil || errors.Is(err, ticket.ErrNotFound) {
		t.Errorf("without TLS: %v", err)
	}
}
