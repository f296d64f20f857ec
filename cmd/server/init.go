package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

type initCmd struct {
	Force bool `help:"Replace the file when there is one: its keys are lost, and with them all sessions."`
}

// Help implements kong.HelpProvider.
func (initCmd) Help() string {
	return `The file is readable by its owner only. Fill in the four values that WeChat gives. Examples:
  server init
  server init --env-file /etc/addcard.env`
}

// Run writes the file and says what is left to do.
func (c initCmd) Run(g *globals, io streams) error {
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if c.Force {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(g.EnvFile, flags, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return &misused{fmt.Errorf("%s exists already; --force replaces it and its keys", g.EnvFile)}
	}
	if err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	_, err = f.WriteString(envFile())
	if err := errors.Join(err, f.Chmod(0o600), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", g.EnvFile, err)
	}
	_, _ = fmt.Fprintf(io.err, "wrote %s; fill in the four values at its top, then: server serve\n", g.EnvFile)
	return nil
}

func envFile() string {
	return strings.NewReplacer(
		"{session}", "k1:"+base64.StdEncoding.EncodeToString(random(32)),
		"{admin}", base64.RawURLEncoding.EncodeToString(random(32)),
		"{ticket}", base64.RawURLEncoding.EncodeToString(random(32)),
		"{data}", "d1:"+base64.StdEncoding.EncodeToString(random(32)),
		"{callback}", rand.Text(),
		// 43 letters and digits, as WeChat's own button makes them: 258 bits.
		"{aes}", (rand.Text() + rand.Text())[:43],
	).Replace(envTemplate)
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

const envTemplate = `# addcard: the configuration of one deployment. Keep this file secret.
# All variables: docs/configuration.md

# From mp.weixin.qq.com, the mini-program (小程序): 开发管理 → 开发设置
MINIPROGRAM_APP_ID=
MINIPROGRAM_APP_SECRET=
# From mp.weixin.qq.com, the Official Account (服务号) that owns the cards: 设置与开发 → 基本配置
OFFICIAL_APP_ID=
OFFICIAL_APP_SECRET=

# Enter these two at the Official Account: 基本配置 → 服务器配置, URL https://YOUR.HOST/wechat/callback, 安全模式
CALLBACK_TOKEN={callback}
CALLBACK_AES_KEY={aes}

# Made for this deployment
SESSION_KEYS={session}
ADMIN_TOKEN={admin}
TICKET_TOKEN={ticket}
DATA_KEYS={data}

DATABASE_URL=sqlite:addcard.db
LISTEN_ADDR=:8080
ADMIN_LISTEN_ADDR=127.0.0.1:8081
`

// defaultEnvFile is what kong makes of the default of --env-file.
func defaultEnvFile() string {
	path, err := filepath.Abs(".env")
	if err != nil {
		return ".env"
	}
	return path
}
