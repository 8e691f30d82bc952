// go-fed/httpsig, set up as servers written in Go do.
package main

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/go-fed/httpsig"
)

type task struct {
	Port  int
	Inbox string
	Actor struct{ KeyId, Pem string }

	Activities []json.RawMessage
}

func main() {
	var work task
	check(json.NewDecoder(os.Stdin).Decode(&work))
	block, _ := pem.Decode([]byte(work.Actor.Pem))
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	check(err)
	for _, activity := range work.Activities {
		deliver(work, key, activity)
	}
}

func deliver(work task, key crypto.PrivateKey, activity []byte) {
	request, err := http.NewRequest("POST", work.Inbox, bytes.NewReader(activity))
	check(err)
	request.Header.Set("Content-Type", "application/activity+json")
	request.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	request.Header.Set("Host", request.URL.Host)
	covered := []string{httpsig.RequestTarget, "host", "date", "digest"}
	signer, _, err := httpsig.NewSigner(
		[]httpsig.Algorithm{httpsig.RSA_SHA256}, httpsig.DigestSha256, covered, httpsig.Signature, 0)
	check(err)
	check(signer.SignRequest(key, work.Actor.KeyId, request, activity))
	request.URL.Scheme = "http"
	request.URL.Host = fmt.Sprintf("127.0.0.1:%d", work.Port)
	answer, err := http.DefaultClient.Do(request)
	check(err)
	fmt.Printf("{\"signed\": \"cavage\", \"status\": %d}\n", answer.StatusCode)
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
