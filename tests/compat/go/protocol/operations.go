package protocol

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
)

// Answer is what an operation gives.
type Answer map[string]any

// Operations are what a program can be asked for, by name. Each reads its own fields of the request.
type Operations map[string]func(request []byte) (Answer, error)

// ServeOperations answers each line of standard input, and ends the process at the end of it. named gives an error's name where
// its type says too little.
func ServeOperations(operations Operations, named func(error) string) {
	input := bufio.NewScanner(os.Stdin)
	input.Buffer(nil, 1<<20)
	output := json.NewEncoder(os.Stdout)
	for input.Scan() {
		if output.Encode(operations.answer(input.Bytes(), named)) != nil {
			os.Exit(1)
		}
	}
	if input.Err() != nil {
		os.Exit(1)
	}
}

func (o Operations) answer(line []byte, named func(error) string) Answer {
	var asked struct {
		Op string `json:"op"`
	}
	err := json.Unmarshal(line, &asked)
	if operation := o[asked.Op]; err == nil && operation != nil {
		var answer Answer
		if answer, err = operation(line); err == nil {
			if answer == nil {
				answer = Answer{}
			}
			answer["ok"] = true
			return answer
		}
	} else if err == nil {
		err = fmt.Errorf("unknown op %q", asked.Op)
	}
	name := named(err)
	if name == "" {
		name = errorName(err)
	}
	return Answer{"ok": false, "error": name, "message": err.Error()}
}
