package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/addcard/addcard/cmd/internal/command"
)

type initCmd struct {
	Force bool `help:"Replace an existing file. All sessions end, and what its DATA_KEYS encrypted is lost."`
}

func (c initCmd) Run(g *globals, streams command.Streams) error {
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if c.Force {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(g.file(), flags, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return command.Usagef("%s exists already; --force replaces it and its keys", g.file())
	}
	if err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	err = f.Chmod(0o600) // before it contains a secret
	if err == nil {
		_, err = f.WriteString(envFile())
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	next := "server serve"
	if g.EnvFile != "" {
		next += " --env-file " + g.EnvFile
	}
	streams.Messagef("wrote %s; fill in the four values at its top, then: %s", g.file(), next)
	return nil
}

func envFile() string {
	return strings.NewReplacer(
		"{session}", "k1:"+base64.StdEncoding.EncodeToString(newKey()),
		"{admin}", base64.RawURLEncoding.EncodeToString(newKey()),
		"{ticket}", base64.RawURLEncoding.EncodeToString(newKey()),
		"{data}", "d1:"+base64.StdEncoding.EncodeToString(newKey()),
		"{callback}", rand.Text(),
		"{aes}", command.EncodingAESKey(),
	).Replace(envTemplate)
}

func newKey() []byte {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return b
}

const envTemplate = `# addcard: the configuration of one deployment. Keep this file secret.
# NAME=value; a value that contains $, \ or a quote must be between single quotes.
# All variables: docs/configuration.md

# From mp.weixin.qq.com, the mini-program (小程序): 开发管理 → 开发设置
MINIPROGRAM_APP_ID=
MINIPROGRAM_APP_SECRET=
# From mp.weixin.qq.com, the Official Account (服务号) that owns the cards: 设置与开发 → 基本配置
OFFICIAL_APP_ID=
OFFICIAL_APP_SECRET=
# Optional, from 账号信息 → 原始ID: pushes for another account are ignored
#OFFICIAL_ORIGINAL_ID=gh_

# Enter these two at the Official Account: 基本配置 → 服务器配置, URL https://YOUR.HOST/wechat/callback, 安全模式
CALLBACK_TOKEN={callback}
CALLBACK_AES_KEY={aes}

# Generated for this deployment
SESSION_KEYS={session}
ADMIN_TOKEN={admin}
TICKET_TOKEN={ticket}
DATA_KEYS={data}

DATABASE_URL=sqlite:addcard.db
LISTEN_ADDR=:8080
ADMIN_LISTEN_ADDR=127.0.0.1:8081
# Behind a reverse proxy: its address; without it all clients share one rate limit (RATE_LIMIT_PER_IP)
#TRUSTED_PROXIES=127.0.0.1
`
