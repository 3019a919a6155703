module segno/tools/umlrun

go 1.26.8
